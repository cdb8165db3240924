package i2ctest

import "time"

// Conversion is a measurement that takes its time, as the clock of the test's bubble
// counts it. Embedded in a simulator it makes the suite run its part "slow" too.
type Conversion struct {
	factor  float64
	until   time.Time
	running bool
}

// Slow implements Slower.
func (c *Conversion) Slow(factor float64) { c.factor = factor }

// Start begins a measurement that takes d, times the factor of Slow.
func (c *Conversion) Start(d time.Duration) {
	f := c.factor
	if f == 0 {
		f = 1
	}
	c.until = time.Now().Add(time.Duration(float64(d) * f))
	c.running = true
}

// Running reports whether a measurement was started and neither finished nor aborted.
func (c *Conversion) Running() bool { return c.running }

// Finish reports, once, that the measurement is over: the moment to put its result into
// the registers.
func (c *Conversion) Finish() bool {
	if !c.running || time.Now().Before(c.until) {
		return false
	}
	c.running = false
	return true
}

// Abort forgets the measurement: the power went.
func (c *Conversion) Abort() { c.running = false }
