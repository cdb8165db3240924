// Package hatest judges discovery messages as Home Assistant would, from its own copy of
// the facts: the schemas of components/mqtt and the lists of components/sensor/const.py, as
// SukramJ/go-ha-catalog has extracted them from a release of 2026. For tests alone.
package hatest
