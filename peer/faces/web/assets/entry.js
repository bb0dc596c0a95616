// The page where one signs in: of whoever was signed in before, nothing stays in this window.
"use strict";
sessionStorage.clear();
