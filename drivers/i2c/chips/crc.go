package chips

import "sensorgate/drivers/field"

// The checksums of chips, computed by package field.
var (
	// SHT3x data sheet section 4.12; Aosong's chips have the same.
	crcSensirion = mustCRC(field.CRC{Width: 8, Poly: 0x31, Init: 0xff})
	// HTU21D data sheet, "CRC-8 Checksum": the same polynomial, from zero.
	crcHTU21 = mustCRC(field.CRC{Width: 8, Poly: 0x31})
	// SMBus 2.0 section 5.4.1, packet error code.
	crcSMBus = mustCRC(field.CRC{Width: 8, Poly: 0x07})
	// AM2320 product manual section 8.2.2: Modbus's.
	crcModbus = mustCRC(field.CRC{Width: 16, Poly: 0x8005, Init: 0xffff, RefIn: true, RefOut: true})
)

func mustCRC(c field.CRC) field.Sum {
	s, err := c.Sum()
	if err != nil {
		panic(err) // part of the program
	}
	return s
}
