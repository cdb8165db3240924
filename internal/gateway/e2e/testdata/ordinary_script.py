# What people's scripts look like: an ordinary paho-mqtt publisher and subscriber.
import json
import sys
import paho.mqtt.client as mqtt

port = int(sys.argv[1])


def client(name):
    try:
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, name, transport="tcp")  # paho 2
    except AttributeError:
        return mqtt.Client(name, transport="tcp")  # paho 1


def on_connect(c, userdata, flags, rc):
    c.subscribe("test", qos=1)


def on_subscribe(c, userdata, mid, granted):
    sender = client("sender")
    sender.connect("127.0.0.1", port, 60)
    sender.loop_start()
    sender.publish("test", json.dumps({"temperature": 21.5}), qos=1).wait_for_publish()
    sender.loop_stop()
    sender.disconnect()


def on_message(c, userdata, msg):
    print(msg.topic, json.loads(msg.payload)["temperature"], flush=True)
    c.disconnect()


receiver = client("receiver")
receiver.on_connect, receiver.on_subscribe, receiver.on_message = on_connect, on_subscribe, on_message
receiver.connect("127.0.0.1", port, 60)
receiver.loop_forever()
