package doctor

import (
	"fmt"
	"strings"

	"sensorgate/internal/status"
)

// LeftOver is what the running gateway still has to remove at upstreams: only there it is
// known.
func LeftOver(list []status.LeftOver) (found []Finding) {
	for _, l := range list {
		why := l.Error
		if why == "" {
			why = "not done yet"
		}
		found = append(found, Finding{Check: "discovery", Verdict: Warning, Try: l.Try,
			What: fmt.Sprintf("at %s is still what [%s] described over bridge %s: %s", l.URL, l.Convention, bridgeOnly(l.Bridge), why)})
	}
	return found
}

// bridgeOnly is the name of a bridge without the address that it went to before.
func bridgeOnly(name string) string {
	name, _, _ = strings.Cut(name, "@")
	return name
}
