package meters

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// wmbusCipher is the key of one meter.
type wmbusCipher struct{ block cipher.Block }

func newWMBusCipher(text string) (*wmbusCipher, error) {
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != aes.BlockSize {
		return nil, errors.New("found no 32 hexadecimal digits") // not what was found: it may be a key
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &wmbusCipher{block}, nil
}

// CIs of an extended link layer, before the CI of the data. EN 13757-4, 13.2.
const (
	wmbusELL      = 0x8C // two bytes: what the link may do, access number
	wmbusELLCoded = 0x8D // and a session number, behind which all is encrypted in counter mode
)

// wmbusPlain returns CI, header and data in the clear. What is encrypted in mode 5 (OMS
// volume 2, 9.2.4.2) is decrypted in a copy, in which the header says that it is not.
func wmbusPlain(head wmbusAddress, p []byte, c *wmbusCipher) ([]byte, error) {
	if len(p) > 3 && p[0] == wmbusELL {
		p = p[3:]
	}
	if len(p) == 0 {
		return nil, errWMBusShort
	}
	if p[0] == wmbusELLCoded {
		return nil, errors.New("encrypted by the link layer (Kamstrup and others), which is not done here")
	}
	header, ok := mbusHeaders[p[0]]
	if !ok || header == 0 || len(p) < 1+header {
		return p, nil // the decoder says what is wrong, if anything is
	}
	config := binary.LittleEndian.Uint16(p[header-1:])
	switch mode := byte(config >> 8 & 0x1F); {
	case mode == 0:
		return p, nil
	case mode != 5:
		return nil, fmt.Errorf("encrypted in mode %d, of which only 5 is done here", mode)
	case c == nil:
		return nil, errors.New("encrypted: it needs key_file")
	}
	if header == 12 { // the meter, which may be another one than who sends for it
		head = wmbusAddress{id: [4]byte(p[1:5]), makerCode: [2]byte(p[5:7]), version: p[7], medium: p[8]}
	}
	plain := bytes.Clone(p)
	data := plain[1+header:]
	n := aes.BlockSize * int(config>>4&0x0F)
	if n == 0 || n > len(data) {
		return nil, errWMBusShort
	}
	cipher.NewCBCDecrypter(c.block, head.vector(plain[header-3])).CryptBlocks(data[:n], data[:n])
	if data[0] != difFiller || data[1] != difFiller { // OMS volume 2, 9.2.4.2: the proof that the key fits
		return nil, errors.New("the key of key_file does not fit")
	}
	binary.LittleEndian.PutUint16(plain[header-1:], 0)
	return plain, nil
}

// vector is the start of the chain: who the meter is, and eight times its access number.
func (a *wmbusAddress) vector(access byte) []byte {
	v := append(make([]byte, 0, aes.BlockSize), a.makerCode[:]...)
	v = append(append(v, a.id[:]...), a.version, a.medium)
	return append(v, bytes.Repeat([]byte{access}, 8)...)
}
