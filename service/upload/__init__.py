"""Uploads of items and gold: files of lines, read one at a time, with everything that is wrong said by its line."""
