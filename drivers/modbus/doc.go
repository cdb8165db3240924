// Package modbus is a Modbus master: RTU on a wire of package serial, which several
// units share, and TCP, where several units may be behind one connection.
//
//   - pdu.go has requests and answers, the same for both. rtu.go and tcp.go frame
//     them; both take an answer only if it fits the request in every respect.
//   - plan.go joins channels into blocks; what a device refuses to send in one piece
//     is asked for in smaller ones.
//   - device.go is one unit: a schedule of its own, whose requests queue on the bus.
//     A unit that does not answer backs off: it is probed less and less
//     often, and only when nobody else waits for the wire, until it answers.
//   - command.go writes, and reads back what it wrote.
//   - sunspec.go finds the SunSpec models of an inverter or meter by itself.
//
// The references are to the Modbus Application Protocol V1.1b3 ("App") and the Modbus
// over Serial Line guide V1.02 ("Serial").
//
// Nothing survives a power cut. Not done: ASCII framing, files and FIFO (FC 20 to 24),
// being a slave.
package modbus
