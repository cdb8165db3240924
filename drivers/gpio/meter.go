package gpio

import (
	"encoding/json"
	"errors"
	"fmt"

	"sensorgate/drivers"
)

// meter is a total: pulses since it was last set, on top of what it was set to.
// Counting in pulses keeps it exact however many there are.
type meter struct {
	Pulses uint64  `json:"pulses"`
	Offset float64 `json:"offset"` // in the unit of Per
	Per    string  `json:"per"`

	per Quantity
}

const meterKey = "total"

// loadMeter returns the stored total, or a new one. known means that there was one. When
// per_pulse was changed the total goes on from where it was.
func loadMeter(s drivers.Store, per Quantity) (m meter, known bool, err error) {
	fresh := meter{Per: per.text, per: per}
	b, ok := s.Load(meterKey)
	if !ok {
		return fresh, false, nil
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return fresh, false, fmt.Errorf("the stored total cannot be read, counting from 0: %w", err)
	}
	if err := m.per.UnmarshalText([]byte(m.Per)); err != nil {
		return fresh, false, fmt.Errorf("the stored total cannot be read, counting from 0: %w", err)
	}
	if m.per == per {
		return m, true, nil
	}
	factor, _, err := rateOf(m.per.unit, perTime(per.unit, "s"))
	if err != nil {
		return fresh, false, fmt.Errorf("the stored total is in %q and per_pulse is now in %q, counting from 0: set it by a command", m.per.unit, per.unit)
	}
	fresh.Offset = m.total() * factor
	return fresh, true, nil
}

func (m *meter) total() float64 { return tidy(m.Offset + m.per.times(m.Pulses)) }

func (m *meter) add(pulses uint64) { m.Pulses += pulses }

// set makes the total what the dial of the real meter shows.
func (m *meter) set(total float64) { m.Pulses, m.Offset = 0, total }

func (m *meter) save(s drivers.Store) {
	b, err := json.Marshal(m)
	if err != nil { // a NaN could not be: set takes finite numbers only
		panic(errors.Join(errors.New("gpio: a meter that is not JSON"), err))
	}
	s.Save(meterKey, b)
}
