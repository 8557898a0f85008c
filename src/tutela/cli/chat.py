"""`tutela chat`: order conversations by signs of risk, and say what such an order is worth."""

from __future__ import annotations

from cyclopts import App, Parameter

app = App(
    name="chat",
    help="Order conversations by signs of risk, with the lines that say why; train and evaluate.",
    default_parameter=Parameter(negative=()),
)
app.command("tutela.cli.chat_score:score", name="score", help="Say which to read first, and why.")
app.command("tutela.cli.chat_train:train", name="train", help="Train on a corpus you may use.")
app.command("tutela.cli.chat_train:evaluate", name="evaluate", help="Say what scores are worth.")
