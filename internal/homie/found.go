package homie

import (
	"encoding/json"
	"strings"
)

// maker is how a gateway marks what it has described: as the implementation in version 4,
// as the type of the root device in version 5.
const maker = "sensorgate"

// Found are the topics below the domain that gateways like this one have left, each with
// the id of its gateway, out of what a broker retains. What is not marked is nobody's: a
// device of others may have any id.
func Found(domain string, retained map[string][]byte) map[string]string {
	roots4, roots5 := map[string]bool{}, map[string]bool{}
	rootOf := map[string]string{} // of version 5's devices
	for topic, payload := range retained {
		id, rest, _ := strings.Cut(strings.TrimPrefix(topic, domain+"/"), "/")
		if id == "5" {
			id, rest, _ = strings.Cut(rest, "/")
		}
		var d description
		switch {
		case rest == "$implementation" && string(payload) == maker:
			roots4[id] = true
		case rest == "$description" && json.Unmarshal(payload, &d) == nil:
			rootOf[id] = d.Root
			if d.Root == "" && d.Type == maker {
				rootOf[id], roots5[id] = id, true
			}
		}
	}
	found := map[string]string{}
	for topic := range retained {
		path, below := strings.CutPrefix(topic, domain+"/")
		id, rest, _ := strings.Cut(path, "/")
		is := below && roots4[id]
		if id == "5" {
			device, _, _ := strings.Cut(rest, "/")
			id = rootOf[device]
			is = below && roots5[id]
		}
		if is {
			found[topic] = id
		}
	}
	return found
}
