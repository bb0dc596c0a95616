"""The full screen: conversations, a log that scrolls, and a line to type in, drawn by Textual."""
