"""ROOM 1: chats in, mixes out."""
