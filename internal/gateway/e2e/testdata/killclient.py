"""A publisher or subscriber of the kill loop: Python's paho, a client that is not ours.

pub PORT ID QOS TOPIC: publishes 0, 1, 2 … with a persistent session, says "sent N" and
    "acked N". It repeats nothing itself; the library does, as the protocol says.
sub PORT ID QOS FILTER: subscribes with a persistent session, says "got TOPIC PAYLOAD".

"stop" on standard input ends the publishing; the program says "done" when all that was
sent is acknowledged.
"""
import collections
import sys
import threading
import paho.mqtt.client as mqtt

role, port, name, qos, topic = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
stop = threading.Event()
fresh = threading.Event()  # a new connection
numbers = {}  # message id -> number
acks = collections.deque()  # of message ids, as they came
acked = 0


def say(*words):
    sys.stdout.write(" ".join(str(w) for w in words) + "\n")
    sys.stdout.flush()


def on_connect(client, userdata, flags, rc):
    fresh.set()
    say("connected", rc, "session", flags["session present"])
    if role == "sub" and rc == 0:
        client.subscribe(topic, qos)


def on_message(client, userdata, m):
    say("got", m.topic, m.payload.decode(), "retained" if m.retain else "")


def on_publish(client, userdata, mid):
    acks.append(mid)  # paho holds its locks here


def count():
    global acked
    while acks:
        say("acked", numbers.pop(acks.popleft()))
        acked += 1


c = mqtt.Client(client_id=name, clean_session=False)
c.on_connect, c.on_message, c.on_publish = on_connect, on_message, on_publish
c.on_subscribe = lambda *args: say("subscribed")
c.reconnect_delay_set(min_delay=0.02, max_delay=0.05)
c.max_inflight_messages_set(20)
c.connect("127.0.0.1", port, keepalive=10)
c.loop_start()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()

if role == "sub":
    stop.wait()
    sys.exit(0)

n = 0
while not stop.is_set():
    info = c.publish(topic, str(n), qos, retain=name.endswith("retained"))
    numbers[info.mid] = n
    say("sent", n)
    n += 1
    count()
    stop.wait(0.002)
    # This library sends new messages before it repeats the old ones: no new ones while
    # there is no connection, and none on a new one before the old ones are acknowledged.
    if fresh.is_set() and c.is_connected():
        limit = 0
        fresh.clear()
    else:
        limit = 100 if c.is_connected() else -1
    while n - acked > limit and not stop.is_set():
        stop.wait(0.005)
        count()
        if limit < 0 and c.is_connected():
            limit = 0
while acked < n:
    threading.Event().wait(0.02)
    count()
say("done", n)
