package chips

import "bytes"

// same reports whether b is nothing but v.
func allBytes(b []byte, v byte) bool { return bytes.Count(b, []byte{v}) == len(b) }
