"""kunren (訓練): fine-tune Japanese language models on small data, and know whether it worked."""

__version__ = "0.1.0"
