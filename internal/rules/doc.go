// Package rules holds the rules of this repository as tests and has no code of its own: one meaning for each word
// (docs/glossary.md), the figures that keep functions and files readable, and documents that name what exists. Who may
// import whom is tested in internal/gateway, where the packages meet.
package rules
