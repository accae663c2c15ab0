"""Train a small model with the Hugging Face Trainer, as anyone would.

argv: output_dir, a folder on the plain disk to copy each checkpoint to, and optionally a model to
fine-tune. TRAIN_STEPS, TRAIN_KEEP and TRAIN_RESUME (`last`, or a checkpoint) change the run. Knows
nothing of the filesystem it writes to.
"""

import os
import pathlib
import shutil
import sys

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

output, aside = sys.argv[1], pathlib.Path(sys.argv[2])
torch.manual_seed(3)
if len(sys.argv) > 3:
    model = AutoModelForSequenceClassification.from_pretrained(sys.argv[3], num_labels=2)
    vocabulary = AutoConfig.from_pretrained(sys.argv[3]).vocab_size
else:
    vocabulary = 2000
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=32,
        )
    )
rows = [
    {
        "input_ids": torch.randint(0, vocabulary, (16,)),
        "attention_mask": torch.ones(16, dtype=torch.long),
        "labels": torch.tensor(i % 2),
    }
    for i in range(40)
]


class CopyAside(TrainerCallback):
    def on_save(self, args, state, control, **others):
        name = f"checkpoint-{state.global_step}"
        shutil.copytree(pathlib.Path(args.output_dir) / name, aside / name)


resume = os.environ.get("TRAIN_RESUME")
trainer = Trainer(
    model=model,
    train_dataset=rows,
    callbacks=[CopyAside()],
    args=TrainingArguments(
        output_dir=output,
        max_steps=int(os.environ.get("TRAIN_STEPS", "10")),
        save_steps=2,
        save_total_limit=int(os.environ.get("TRAIN_KEEP", "1")),
        logging_steps=1,
        per_device_train_batch_size=4,
        report_to=["tensorboard"],
        use_cpu=True,
        disable_tqdm=True,
    ),
)
trainer.train(resume_from_checkpoint=True if resume == "last" else resume)
