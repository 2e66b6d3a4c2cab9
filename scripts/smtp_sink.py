"""A mail server for tests, on a free port. An argument is how many messages it refuses before it takes any. It
knows of no mailbox `nobody`; one that is called `full` is emptied after the first message that was refused."""

import asyncio
import json
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP


class Sink:
    refuse = int(sys.argv[1]) if len(sys.argv) > 1 else 0

    full = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("full@") and address not in self.full:
            self.full.add(address)
            return "552 5.2.2 the mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 known"

    async def handle_DATA(self, server, session, envelope):
        if self.refuse > 0:
            self.refuse -= 1
            return "451 4.3.0 come again"
        message = message_from_bytes(envelope.content, policy=policy.default)
        part = lambda kind: message.get_body((kind,)).get_content()
        told = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": message["subject"], "id": message["message-id"]}
        print(json.dumps(told | {"text": part("plain"), "html": part("html")}))
        return "250 2.0.0 taken"


async def serve():
    sink = Sink()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(sink, enable_SMTPUTF8=True), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}))
    await server.serve_forever()


asyncio.run(serve())
