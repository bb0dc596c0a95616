"""The full screen: widgets of Textual around the session of the view.

Read first: `face` (how it starts), `app` (its widgets and keys), `logview` (the lines of a
conversation).
"""
