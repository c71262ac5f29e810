package text

import "slices"

// Bound shortens a list to at most n items, and to no less. It drops the last of those
// whose key an earlier item has, so that the first of each key stays;
// only when there are more keys than places are items with new keys
// dropped, from the end. dropped is how many there were in all.
func Bound[T any, K comparable](list []T, n int, key func(T) K) (short []T, dropped int) {
	dropped = max(0, len(list)-n)
	if dropped == 0 {
		return list, 0
	}
	seen := make(map[K]bool)
	repeats := 0
	for _, item := range list {
		if seen[key(item)] {
			repeats++
		}
		seen[key(item)] = true
	}
	keep := max(0, repeats-dropped) // of the repeats
	clear(seen)
	short = list[:0]
	for _, item := range list {
		switch k := key(item); {
		case !seen[k]:
			seen[k] = true
		case keep == 0:
			continue
		default:
			keep--
		}
		short = append(short, item)
	}
	return short[:min(n, len(short))], dropped
}

// Add appends an item to a list that is bounded as Bound does it.
func Add[T any, K comparable](list []T, item T, n int, key func(T) K) (longer []T, dropped int) {
	repeats := func(other T) bool { return key(other) == key(item) }
	if len(list) >= n && slices.ContainsFunc(list, repeats) {
		return list, 1
	}
	return Bound(append(list, item), n, key)
}
