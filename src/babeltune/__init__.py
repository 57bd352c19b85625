"""In how many languages must a model be instruction-tuned before it answers people in theirs?

The rooms are the pipeline: ``data -> finetune -> generate -> measure -> report``, and ``study`` conducts them.
The question, and the protocol that answers it, are those of Kew, Schottmann and Sennrich (2024),
https://arxiv.org/abs/2312.12683.
"""

__version__ = "0.1.0"
