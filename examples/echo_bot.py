"""A bot that sends every direct message back to its author.

python -m examples.echo_bot <name> <server-ip> <server-port>
"""

from chatapp.bot import Bot, Message
from examples.arguments import name_and_server

bot = Bot()


@bot.on_message
def echo(message: Message) -> str:
    """Say the same."""
    return message.text


if __name__ == "__main__":
    bot.run(*name_and_server())
