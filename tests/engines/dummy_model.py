"""A model folder for `vllm serve --load-format dummy`: 29 M random weights of Llama's shape, a context of 16,384 tokens.

usage: dummy_model.py FOLDER TEXT

Weights and their values do not matter to a cache, only their number does. The tokenizer is a byte-level BPE with 8,192
entries, trained here on TEXT and on the manual pages that come with Python."""

import json
import pydoc_data.topics
import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

folder, text = Path(sys.argv[1]), Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=8192,
    special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
)
tokenizer.train_from_iterator([text.read_text(encoding="utf-8"), *pydoc_data.topics.topics.values()], trainer)
tokenizer.save(str(folder / "tokenizer.json"))

template = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
files = {
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 16384,
        "clean_up_tokenization_spaces": False,
        "chat_template": template,
    },
    "config.json": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "vocab_size": 8192,
        "max_position_embeddings": 16384,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "bos_token_id": 0,
        "eos_token_id": 2,
        "attention_bias": False,
        "mlp_bias": False,
    },
    "generation_config.json": {"bos_token_id": 0, "eos_token_id": 2},
}
for name, content in files.items():
    (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
