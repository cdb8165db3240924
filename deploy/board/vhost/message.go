// Package vhost is a vhost-user back end, as much of one as QEMU's
// vhost-user-i2c-pci and vhost-user-gpio-pci need: it speaks the protocol over a UNIX
// socket, maps the guest's memory and serves split virtqueues. A Device is what the
// guest sees.
//
// Sources: QEMU docs/interop/vhost-user.rst; Virtual I/O Device (VIRTIO) 1.2, section
// 2.7 (split virtqueues).
//
// It trusts QEMU, which is on its own side of the test; it is not part of the product.
package vhost

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"syscall"
)

// Feature bits that all devices have.
const (
	featIndirect = 1 << 28 // VIRTIO_RING_F_INDIRECT_DESC: a must, QEMU's I2C ring has 4 slots
	featProtocol = 1 << 30 // VHOST_USER_F_PROTOCOL_FEATURES
	featVersion1 = 1 << 32 // VIRTIO_F_VERSION_1

	protoMQ     = 1 << 0
	protoReply  = 1 << 3
	protoConfig = 1 << 9
)

// Requests of the front end (vhost-user.rst, "Front-end message types").
const (
	reqGetFeatures      = 1
	reqSetFeatures      = 2
	reqSetOwner         = 3
	reqResetOwner       = 4
	reqSetMemTable      = 5
	reqSetVringNum      = 8
	reqSetVringAddr     = 9
	reqSetVringBase     = 10
	reqGetVringBase     = 11
	reqSetVringKick     = 12
	reqSetVringCall     = 13
	reqSetVringErr      = 14
	reqGetProtoFeatures = 15
	reqSetProtoFeatures = 16
	reqGetQueueNum      = 17
	reqSetVringEnable   = 18
	reqGetConfig        = 24
)

const (
	flagsReply  = 1 | 4 // version 1, reply
	flagNeedAck = 8
	maxPayload  = 4096
)

var le = binary.LittleEndian

// message is one request. Whoever uses a descriptor takes it out of fds.
type message struct {
	req, flags uint32
	pay        []byte
	fds        []int
}

func readMessage(c *net.UnixConn) (m message, err error) {
	hdr := make([]byte, 12)
	oob := make([]byte, syscall.CmsgSpace(4*16))
	n, oobn, _, _, err := c.ReadMsgUnix(hdr, oob)
	switch {
	case err != nil:
		return m, err
	case n == 0:
		return m, io.EOF
	}
	if _, err = io.ReadFull(c, hdr[n:]); err != nil {
		return m, err
	}
	if m.fds, err = descriptors(oob[:oobn]); err != nil {
		return m, err
	}
	m.req, m.flags = le.Uint32(hdr), le.Uint32(hdr[4:])
	size := le.Uint32(hdr[8:])
	if size > maxPayload {
		return m, fmt.Errorf("payload of %d bytes", size)
	}
	m.pay = make([]byte, size)
	_, err = io.ReadFull(c, m.pay)
	return m, err
}

func descriptors(oob []byte) (fds []int, err error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range msgs {
		if f, err := syscall.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, f...)
		}
	}
	return fds, nil
}

func reply(c *net.UnixConn, req uint32, pay []byte) error {
	b := make([]byte, 12, 12+len(pay))
	le.PutUint32(b, req)
	le.PutUint32(b[4:], flagsReply)
	le.PutUint32(b[8:], uint32(len(pay)))
	_, err := c.Write(append(b, pay...))
	return err
}

// takeFD returns the one descriptor of a message, or -1.
func (m *message) takeFD() int {
	if len(m.fds) != 1 {
		return -1
	}
	fd := m.fds[0]
	m.fds = nil
	return fd
}

func (m *message) closeFDs() {
	for _, fd := range m.fds {
		_ = syscall.Close(fd) // nobody wanted it
	}
}

func u64(v uint64) []byte { return le.AppendUint64(nil, v) }
