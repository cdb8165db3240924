"""A Modbus slave made of the pymodbus library: slave.py rtu PORT | slave.py tcp TCPPORT.

Unit 1: holding register n holds n, input register n holds 1000 + n, every third coil is on.
"""
import asyncio
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer
from pymodbus.transaction import ModbusRtuFramer


async def main():
    unit = ModbusSlaveContext(
        di=ModbusSequentialDataBlock(0, [False, True] * 50),
        co=ModbusSequentialDataBlock(0, [n % 3 == 0 for n in range(100)]),
        hr=ModbusSequentialDataBlock(0, list(range(200))),
        ir=ModbusSequentialDataBlock(0, [1000 + n for n in range(200)]),
        zero_mode=True,
    )
    context = ModbusServerContext(slaves={1: unit}, single=False)
    if sys.argv[1] == "tcp":
        server = StartAsyncTcpServer(context=context, address=("127.0.0.1", int(sys.argv[2])))
    else:
        server = StartAsyncSerialServer(context=context, framer=ModbusRtuFramer, port=sys.argv[2], baudrate=115200)
    print("ready", flush=True)
    await server


asyncio.run(main())
