// A client of a peer program in another language, written from docs/reference/rpc.md alone. It prints what it was told.
"use strict";

const net = require("net");

const path = process.argv[2];

/** One connection: `call` asks, `events` gets what is told. */
class Client {
  constructor(onEvent) {
    this.socket = net.connect(path);
    this.waiting = new Map();
    this.last = 0;
    let rest = "";
    this.socket.setEncoding("utf8");
    this.socket.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) this.take(JSON.parse(line), onEvent);
    });
  }

  take(told, onEvent) {
    if (told.method === "event") {
      onEvent(told.params.event, told.params.number);
    } else if (!told.method) {
      const id = told.id === null ? this.last : told.id;
      this.waiting.get(id)?.(told);
      this.waiting.delete(id);
    }
  }

  raw(line) {
    return new Promise((resolve) => {
      this.waiting.set(this.last, resolve);
      this.socket.write(line + "\n");
    });
  }

  async call(method, params) {
    this.last += 1;
    return this.raw(JSON.stringify({ jsonrpc: "2.0", id: this.last, method, params }));
  }
}

async function main() {
  let heard;
  const hearing = () => new Promise((resolve) => (heard = resolve));
  const onEvent = (event, number) => {
    if (event.type === "Said") heard?.([`${event.sender} ${event.text}`, number]);
  };

  const first = new Client(onEvent);
  const hello = (await first.call("Hello", { protocol: 1 })).result;
  console.log("hello", hello.state.name, hello.state.state);
  await first.call("Subscribe", {});
  let next = hearing();
  const conversation = { kind: "person", name: "bob" };
  const sent = await first.call("Send", { conversation, text: "from another language", wait: "settled" });
  console.log("settled", sent.result.state);
  console.log("error", (await first.call("Nothing", {})).error.code);
  console.log("error", (await first.call("Send", ["bob"])).error.code);
  console.log("error", (await first.raw("[]")).error.code);
  console.log("error", (await first.raw("nonsense")).error.code);
  const [said, after] = await next;
  console.log("event", said);
  first.socket.destroy();
  console.log("cut off");

  const second = new Client(onEvent);
  next = hearing();
  await second.call("Hello", { protocol: 1 });
  const again = (await second.call("Subscribe", { run: hello.run, after })).result;
  console.log("resumed", again.missed, (await next)[0]);
  second.socket.end();
}

main();
