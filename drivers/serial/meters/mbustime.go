package meters

import (
	"fmt"

	"sensorgate/drivers"
)

// mbusTime reads a date (type G, two bytes), a date and time (F, four bytes) or one with
// seconds (I, six bytes), as an ISO 8601 text without a zone: it is the meter's clock.
// EN 13757-3, annex A.
func mbusTime(p []byte) (drivers.Value, error) {
	switch len(p) {
	case 2:
		return mbusDay(p[0], p[1], "")
	case 4:
		if p[0]&0x80 != 0 {
			return drivers.Value{}, fmt.Errorf("the meter marks its time as wrong")
		}
		minute, hour := p[0]&0x3F, p[1]&0x1F
		if minute > 59 || hour > 23 {
			return drivers.Value{}, fmt.Errorf("% X is no time", p)
		}
		return mbusDay(p[2], p[3], fmt.Sprintf("T%02d:%02d", hour, minute))
	case 6:
		if p[1]&0x80 != 0 {
			return drivers.Value{}, fmt.Errorf("the meter marks its time as wrong")
		}
		second, minute, hour := p[0]&0x3F, p[1]&0x3F, p[2]&0x1F
		if second > 59 || minute > 59 || hour > 23 {
			return drivers.Value{}, fmt.Errorf("% X is no time", p)
		}
		return mbusDay(p[3], p[4], fmt.Sprintf("T%02d:%02d:%02d", hour, minute, second))
	}
	return drivers.Value{}, fmt.Errorf("a time of %d bytes", len(p))
}

// mbusDay reads day and month with the year's seven bits spread over them. A day or month
// of 0 means every one: such a date is none.
func mbusDay(low, high byte, clock string) (drivers.Value, error) {
	day, month, year := low&0x1F, high&0x0F, int(low>>5)|int(high>>4)<<3
	if day == 0 || month == 0 || month > 12 || year > 99 {
		return drivers.Value{}, fmt.Errorf("%02X %02X is no date", low, high)
	}
	if year > 80 { // the standard's rule for two digits
		year -= 100
	}
	return drivers.Text(fmt.Sprintf("%04d-%02d-%02d%s", 2000+year, month, day, clock)), nil
}
