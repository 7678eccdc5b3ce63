"""Conversations with a real model: held, listened to, and written down."""
