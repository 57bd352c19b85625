"""Texts and chats into other languages, by a model that is asked; and the twin of a mix that is made of them."""
