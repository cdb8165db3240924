package framing

import "time"

// decodeAll feeds frames to a decoder and gives the values by channel.
func decodeAll(d Decoder, frames ...string) (map[string]string, []error) {
	got := map[string]string{}
	var h Results
	for _, f := range frames {
		h.Reset(time.Unix(1, 0))
		d.Decode([]byte(f), &h)
		if len(h.Faults) > 0 {
			return got, h.Faults
		}
		for _, r := range h.Readings {
			got[r.Channel] = r.Value.String()
		}
	}
	return got, nil
}
