package toml

import (
	"slices"
	"strings"
)

// Suggest returns the valid key that was most likely meant by wrong, or "".
func (r *Reporter) Suggest(wrong string, valid []string) string {
	word := strings.ToLower(strings.ReplaceAll(wrong, "-", "_"))
	if slices.Contains(valid, word) {
		return word
	}
	for _, right := range r.Hints.Mistakes[word] {
		if slices.Contains(valid, right) {
			return right
		}
	}
	return Nearest(word, valid)
}

// Nearest returns the one of valid with the least edit distance to word, or "" if
// none is near.
func Nearest(word string, valid []string) string {
	best, bestDistance := "", max(len(word)/3, 1)+1
	for _, v := range valid {
		if d := distance(word, strings.ToLower(v), bestDistance); d < bestDistance {
			best, bestDistance = v, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours
// that make b of a; it stops above limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 64 || len(b) > 64 {
		return limit + 1
	}
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(last[j]+cost, last[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
