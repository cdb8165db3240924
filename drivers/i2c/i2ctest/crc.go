package i2ctest

// CRC8 is the checksum with polynomial 0x31, high bit first, bit by bit as the data
// sheets describe it.
func CRC8(start byte, b ...byte) byte {
	crc := start
	for _, x := range b {
		for bit := 7; bit >= 0; bit-- {
			top := crc>>7 ^ x>>bit&1
			crc <<= 1
			if top != 0 {
				crc ^= 0x31
			}
		}
	}
	return crc
}
