package serial

import "math"

// trim keeps six digits behind the point: a centimetre of latitude's degree, and
// more than any sensor on a serial line has.
func trim(v float64) float64 { return math.Round(v*1e6) / 1e6 }
