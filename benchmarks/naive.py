"""A naive loop, in the style of the notebook that the published study trained its cells with.

Equal to rnn_bench in a comparison: the articles and their split into training, validation and
test; the words that are encoded and the first words of an article that are kept; the layers, their
sizes and the dropout; cross-entropy; Adam with its learning rate; articles a batch, batches an
epoch, epochs, hence the number of updates; validation after each epoch and test at the end; 32-bit
floats.

Different, because the notebook does it so: a Dataset whose items are encoded articles, a DataLoader
that shuffles them and whose collate function pads a batch to its longest article; Adam without its
fused kernel; `.item()` after every step; validation and test in batches of 32; the state after the
padding is what the classifier reads; gradients are not clipped. (With `--readout last_token`,
`mean` and `max` it reads the states at each article's own tokens instead, as rnn_bench does, and
`--bidirectional` reads in two directions, with packed sequences.) Initial weights and the order of
the articles come from torch's generators, so losses are not the same numbers. Nothing is recorded
and no checkpoint is written: that costs rnn_bench time, and not this loop.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from benchmarks import articles
from benchmarks.answers import Answer, contender_arguments, peak_memory_bytes

Loader = DataLoader[tuple[Tensor, Tensor]]
CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
READOUTS = ("padded_end", "last_token", "mean", "max")


class NewsDataset(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, path: Path, vocabulary: dict[str, int], length: int) -> None:
        texts, labels = articles.read_articles(path)
        self.texts = [torch.tensor(articles.encode(text, vocabulary, length)) for text in texts]
        self.labels = torch.tensor(labels)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.texts[index], self.labels[index]


def collate(batch: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    texts = [text for text, _ in batch]
    padded = pad_sequence(texts, batch_first=True, padding_value=articles.PADDING)
    lengths = torch.tensor([len(text) for text in texts])
    return padded, lengths, torch.stack([label for _, label in batch])


class Classifier(nn.Module):
    def __init__(
        self,
        cell: str,
        vocabulary_size: int,
        classes: int,
        readout: str,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(
            vocabulary_size, articles.EMBEDDING_DIM, padding_idx=articles.PADDING
        )
        self.recurrent = CELLS[cell](
            articles.EMBEDDING_DIM,
            articles.HIDDEN_SIZE,
            batch_first=True,
            bidirectional=bidirectional,
        )
        self.dropout = nn.Dropout(articles.DROPOUT)
        self.output = nn.Linear((1 + bidirectional) * articles.HIDDEN_SIZE, classes)
        self.readout = readout
        self.packs = bidirectional and readout != "padded_end"

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        embedded = self.embedding(tokens)
        if self.packs:
            packed = pack_padded_sequence(embedded, lengths.cpu(), True, enforce_sorted=False)
            returned, last = self.recurrent(packed)
            states, _ = pad_packed_sequence(returned, batch_first=True)
        else:
            states, last = self.recurrent(embedded)
        logits: Tensor = self.output(self.dropout(self.read(states, last, lengths)))
        return logits

    def read(self, states: Tensor, last: Tensor | tuple[Tensor, Tensor], lengths: Tensor) -> Tensor:
        inside = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        if self.readout == "mean":
            return (states * inside[..., None]).sum(1) / lengths[:, None]
        if self.readout == "max":
            return states.masked_fill(~inside[..., None], -torch.inf).amax(1)
        if self.readout == "last_token" and not self.packs:
            return states[torch.arange(len(states), device=states.device), lengths - 1]
        hidden = last[0] if isinstance(last, tuple) else last  # [directions, batch, hidden]
        return torch.cat([*hidden], 1)


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Loader,
    device: str,
    stepped: Callable[[], None] = lambda: None,
) -> float:
    """Train for an epoch, and return the mean loss of its batches."""
    criterion, total = nn.CrossEntropyLoss(), 0.0
    torch.backends.cudnn.allow_tf32 = False  # as with protocol.precision=float32
    model.train()
    for tokens, lengths, labels in loader:
        tokens, lengths, labels = tokens.to(device), lengths.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(model(tokens, lengths), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
        stepped()
    return total / len(loader)


def accuracy_of(model: nn.Module, loader: Loader, device: str) -> float:
    model.eval()
    correct, count = 0.0, 0
    with torch.no_grad():
        for tokens, lengths, labels in loader:
            tokens, lengths, labels = tokens.to(device), lengths.to(device), labels.to(device)
            correct += (model(tokens, lengths).argmax(1) == labels).sum().item()
            count += len(labels)
    return correct / count


def main() -> None:
    parser = argparse.ArgumentParser(parents=[contender_arguments()])
    parser.add_argument("--readout", default="padded_end", choices=READOUTS)
    parser.add_argument("--bidirectional", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = args.device

    texts, labels = articles.read_articles(args.articles / "training.csv")
    vocabulary = articles.build_vocabulary(texts)
    loaders: dict[str, Loader] = {}
    tokens_in = {}
    for split in ("training", "validation", "test"):
        dataset = NewsDataset(args.articles / f"{split}.csv", vocabulary, args.length)
        loaders[split] = DataLoader(
            dataset, articles.BATCH_SIZE, shuffle=split == "training", collate_fn=collate
        )
        tokens_in[split] = sum(len(text) for text in dataset.texts)

    sizes = len(vocabulary) + 2, len(set(labels))
    model = Classifier(args.cell, *sizes, args.readout, args.bidirectional).to(device)
    optimizer = torch.optim.Adam(model.parameters(), articles.LEARNING_RATE, fused=False)
    answer = Answer(torch.get_num_threads())
    for _ in range(args.epochs):
        began = time.time()
        loss = train_epoch(model, optimizer, loaders["training"], device, answer.stepped)
        trained = time.time()
        accuracy = accuracy_of(model, loaders["validation"], device)
        answer.epoch(began, trained, accuracy)
        print(f"loss {loss:.4f}  validation accuracy {accuracy:.4f}")
    print(f"test accuracy {accuracy_of(model, loaders['test'], device):.4f}")

    answer.tokens = tokens_in["training"]
    on_gpu = device == "cuda"
    answer.write(args.answer, torch.cuda.max_memory_allocated() if on_gpu else peak_memory_bytes())


if __name__ == "__main__":
    main()
