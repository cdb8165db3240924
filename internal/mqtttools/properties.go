package mqtttools

import (
	"fmt"
	"strconv"
	"strings"

	paho5 "github.com/eclipse/paho.golang/paho"
)

// The packets that -D can name.
const (
	atConnect     = "connect"
	atPublish     = "publish"
	atSubscribe   = "subscribe"
	atUnsubscribe = "unsubscribe"
	atDisconnect  = "disconnect"
	atWill        = "will"
)

// userProperties are the properties that -D gave, by packet.
type userProperties struct {
	connect          paho5.ConnectProperties
	publish, will    properties
	willDelay        *uint32
	disconnectExpiry *uint32
	subscriptionID   *int
	user             map[string][]pair
	given            bool
}

func (u *userProperties) user5(at string) (all paho5.UserProperties) {
	for _, p := range u.user[at] {
		all.Add(p.key, p.value)
	}
	return all
}

// property puts one value into its place.
type property struct {
	at   string // the packets it may be in, separated by spaces
	take func(u *userProperties, at, value string) error
}

// propertiesByName are those that mosquitto's tools know, under their names; the
// specification calls them the same (MQTT 5, 2.2.2.2).
var propertiesByName = map[string]property{
	"authentication-data":   {atConnect, func(u *userProperties, _, v string) error { u.connect.AuthData = []byte(v); return nil }},
	"authentication-method": {atConnect, func(u *userProperties, _, v string) error { u.connect.AuthMethod = v; return nil }},
	"maximum-packet-size":   {atConnect, func(u *userProperties, _, v string) error { return number(v, 1, &u.connect.MaximumPacketSize) }},
	"receive-maximum":       {atConnect, func(u *userProperties, _, v string) error { return number(v, 1, &u.connect.ReceiveMaximum) }},
	"topic-alias-maximum":   {atConnect, func(u *userProperties, _, v string) error { return number(v, 0, &u.connect.TopicAliasMaximum) }},
	"request-problem-information": {atConnect, func(u *userProperties, _, v string) error {
		return yesNo(v, &u.connect.RequestProblemInfo)
	}},
	"request-response-information": {atConnect, func(u *userProperties, _, v string) error {
		return yesNo(v, &u.connect.RequestResponseInfo)
	}},
	"session-expiry-interval": {atConnect + " " + atDisconnect, func(u *userProperties, at, v string) error {
		if at == atDisconnect {
			return number(v, 0, &u.disconnectExpiry)
		}
		return number(v, 0, &u.connect.SessionExpiryInterval)
	}},
	"payload-format-indicator": {atPublish + " " + atWill, func(u *userProperties, at, v string) error { return number(v, 0, &u.of(at).format) }},
	"message-expiry-interval":  {atPublish + " " + atWill, func(u *userProperties, at, v string) error { return number(v, 0, &u.of(at).expiry) }},
	"content-type":             {atPublish + " " + atWill, func(u *userProperties, at, v string) error { u.of(at).contentType = v; return nil }},
	"response-topic":           {atPublish + " " + atWill, func(u *userProperties, at, v string) error { u.of(at).responseTopic = v; return nil }},
	"correlation-data":         {atPublish + " " + atWill, func(u *userProperties, at, v string) error { u.of(at).correlation = []byte(v); return nil }},
	"topic-alias":              {atPublish, func(u *userProperties, _, v string) error { return number(v, 1, &u.publish.alias) }},
	"will-delay-interval":      {atWill, func(u *userProperties, _, v string) error { return number(v, 0, &u.willDelay) }},
	"subscription-identifier":  {atSubscribe, func(u *userProperties, _, v string) error { return number(v, 1, &u.subscriptionID) }},
}

// of is the message that a property belongs to.
func (u *userProperties) of(at string) *properties {
	if at == atWill {
		return &u.will
	}
	return &u.publish
}

// number reads an unsigned number that fits into what it is for.
func number[T byte | uint16 | uint32 | int](text string, least uint64, to **T) error {
	bits := map[string]int{"uint8": 8, "uint16": 16, "uint32": 32, "int": 28}[fmt.Sprintf("%T", T(0))] // int: a variable byte integer (1.5.5)
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil || n < least {
		return fmt.Errorf("found %q, expected a number from %d to %d", text, least, uint64(1)<<bits-1)
	}
	v := T(n)
	*to = &v
	return nil
}

func yesNo(text string, to *bool) error {
	if text != "0" && text != "1" {
		return fmt.Errorf("found %q, expected 0 or 1", text)
	}
	*to = text == "1"
	return nil
}

// set takes one -D: packet, name, value; of a user property a key and a value.
func (u *userProperties) set(words []string) error {
	at, name, values := words[0], words[1], words[2:]
	u.given = true
	if name == "user-property" {
		if !strings.Contains(" connect publish subscribe unsubscribe disconnect will ", " "+at+" ") {
			return fmt.Errorf("-D %s: have connect, publish, subscribe, unsubscribe, disconnect and will", at)
		}
		if u.user == nil {
			u.user = map[string][]pair{}
		}
		u.user[at] = append(u.user[at], pair{values[0], values[1]})
		if at == atPublish {
			u.publish.user = append(u.publish.user, pair{values[0], values[1]})
		}
		return nil
	}
	p, known := propertiesByName[name]
	if !known {
		return fmt.Errorf("-D %s %s: no such property", at, name)
	}
	if !strings.Contains(" "+p.at+" ", " "+at+" ") {
		return fmt.Errorf("-D %s %s: that property belongs to %s", at, name, strings.ReplaceAll(p.at, " ", " or "))
	}
	if err := p.take(u, at, values[0]); err != nil {
		return fmt.Errorf("-D %s %s: %w", at, name, err)
	}
	return nil
}

// propertyWords is how many arguments follow -D: packet and name, then a value or, of a
// user property, two.
func propertyWords(args []string) int {
	if len(args) > 1 && args[1] == "user-property" {
		return 4
	}
	return 3
}
