package bench

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Workload is one thing to measure.
type Workload struct {
	Name        string
	Publishers  int
	Subscribers int
	QoS         byte
	Size        int // bytes of a payload, at least 16
	Window      int // unacknowledged messages per publisher
	Messages    int // of all publishers together
	Rate        int // messages per second of all publishers together; 0: as fast as it goes
}

// FreeWindow is how many QoS 0 messages may be on their way.
const FreeWindow = 4000

// Standard are the workloads of docs/benchmarks.md, scaled to about the given seconds
// on the slower of the brokers.
func Standard(scale float64) []Workload {
	n := func(messages int) int { return max(1000, int(float64(messages)*scale)) }
	return []Workload{
		{Name: "1to1-qos0", Publishers: 1, Subscribers: 1, QoS: 0, Size: 256, Messages: n(300_000)},
		{Name: "1to1-qos1", Publishers: 1, Subscribers: 1, QoS: 1, Size: 256, Window: 100, Messages: n(100_000)},
		{Name: "1to1-qos2", Publishers: 1, Subscribers: 1, QoS: 2, Size: 256, Window: 100, Messages: n(50_000)},
		{Name: "50to1-qos1", Publishers: 50, Subscribers: 1, QoS: 1, Size: 256, Window: 100, Messages: n(100_000)},
		{Name: "1to50-qos0", Publishers: 1, Subscribers: 50, QoS: 0, Size: 256, Messages: n(20_000)},
		{Name: "50clients-2000/s", Publishers: 50, Subscribers: 1, QoS: 1, Size: 256, Window: 100, Messages: n(8_000), Rate: 2000},
		{Name: "1to1-1000/s", Publishers: 1, Subscribers: 1, QoS: 1, Size: 256, Window: 100, Messages: n(4_000), Rate: 1000},
	}
}

// Result is what one run gave.
type Result struct {
	Workload  string  `json:"workload"`
	Broker    string  `json:"broker"`
	Messages  int     `json:"messages"`   // published
	Delivered int     `json:"delivered"`  // to all subscribers together
	Lost      int     `json:"lost"`       // deliveries that did not come, or not in order
	Seconds   float64 `json:"seconds"`    // from the first send to the last receipt
	PerSecond float64 `json:"per_second"` // deliveries
	// CPUPerMillion is the broker's processor time in seconds per million deliveries; 0
	// if it cannot be measured.
	CPUPerMillion float64 `json:"cpu_s_per_million"`
	P50           float64 `json:"p50_us"` // latency in microseconds; only at a given rate
	P99           float64 `json:"p99_us"`
}

func (r Result) String() string {
	return fmt.Sprintf("%s %s: %.0f/s, %.1f CPU s per million, %d lost", r.Broker, r.Workload, r.PerSecond, r.CPUPerMillion, r.Lost)
}

// stamp is what the first bytes of a payload say.
type stamp struct {
	publisher uint32
	number    uint32
	sent      int64 // nanoseconds on the monotonic clock of this process
}

const stampSize = 16

func (s stamp) put(b []byte) {
	binary.LittleEndian.PutUint32(b, s.publisher)
	binary.LittleEndian.PutUint32(b[4:], s.number)
	binary.LittleEndian.PutUint64(b[8:], uint64(s.sent))
}

func readStamp(b []byte) stamp {
	return stamp{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), int64(binary.LittleEndian.Uint64(b[8:]))}
}

var epoch = time.Now()

func monotonic() int64 { return int64(time.Since(epoch)) }

// Median returns the middle of some results of one workload, by the measure that counts
// for it: rate, or processor time when the rate is given.
func Median[R any](rs []R, value func(R) float64) float64 {
	if len(rs) == 0 {
		return 0
	}
	vs := make([]float64, len(rs))
	for i, r := range rs {
		vs[i] = value(r)
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}
