"""The line face's sentences: what a user reads for each event, and for a line that cannot be carried out.

Scripts match these lines to the letter. Every string that comes from elsewhere passes `sanitize` on its way into a line,
mostly by `name` and `reason`.
"""
