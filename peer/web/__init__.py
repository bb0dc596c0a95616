"""The web desk: pages in a browser, for visitors of a help desk and for its operators."""
