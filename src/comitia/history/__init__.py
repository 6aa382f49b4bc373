"""Were clients served correctly?"""
