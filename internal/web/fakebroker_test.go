package web

import (
	"context"
	"errors"

	"sensorgate/internal/mqtt"
)

func (s *served) Clients() []Client {
	return []Client{{Client: "meter", User: "ann", Connected: true, Address: "192.0.2.9:1", Subscriptions: 2}, {Client: "gone", Persistent: true, Gone: &testNow, Waiting: 7, WaitingBytes: 99}}
}

func (s *served) Disconnect(client string) error {
	s.did = append(s.did, "disconnect "+client)
	if client != "meter" {
		return errors.New("no such session")
	}
	return nil
}

func (s *served) RemoveSession(_ context.Context, client string) error {
	s.did = append(s.did, "remove "+client)
	return nil
}

// Topics has one of ann's and one of everybody's.
func (s *served) Topics(a Asker, filter string) (all []Topic, missed int) {
	for topic, user := range map[string]string{"barn/a": "", "secret/b": "ann"} {
		if (user == "" || a.All || a.User == user) && mqtt.Match(filter, topic) {
			all = append(all, Topic{Topic: topic, Payload: "1", Bytes: 1, Time: testNow})
		}
	}
	return all, 0
}

func (s *served) Publish(_ context.Context, a Asker, p Publication) error {
	s.did = append(s.did, "publish "+p.Topic)
	return nil
}

type fakeMachine struct{}

func (fakeMachine) Doctor(context.Context) ([]Finding, error) {
	return []Finding{{Check: "clock", Verdict: "ok", What: "synchronised"}}, nil
}

func (fakeMachine) Models(string) []Model {
	return []Model{{Name: "eastron/sdm630", Driver: "modbus", Title: "Eastron SDM630", Tested: "no", Channels: []string{"power"}}}
}

func (m fakeMachine) Model(name string) (Model, bool) {
	return m.Models("")[0], name == "eastron/sdm630"
}

func (fakeMachine) StartScan(ScanBody) error { return nil }

func (fakeMachine) Scan() ScanState { return ScanState{Found: []ScanFound{}, Failed: []string{}} }

func (fakeMachine) StopScan() {}

func (fakeMachine) Preview(context.Context, string, string) ([]Preview, error) {
	return []Preview{{Name: "device.x", OK: true}}, nil
}
