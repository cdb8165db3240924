package meters

import "sensorgate/drivers/field"

// The checks of one byte that D0 (IEC 62056-21, 6.3.1), NMEA, M-Bus and Teleinfo have.
var sum8, xor8 = field.Must("sum8"), field.Must("xor8")

// teleinfoCheck is six bits of the sum, as a printable character. Enedis-NOI-CPT_54E, 6.2.2.
func teleinfoCheck(protected []byte) byte { return byte(sum8.Of(protected))&0x3F + 0x20 }
