package nginx

// The refusals of a line, the values of the label reason of
// nginx_access_log_lines_refused_total, a closed set.
const (
	refusedFormat  = "format"   // the line has not the form of the configured log format
	refusedStatus  = "status"   // the status is not a number of three digits
	refusedNumber  = "number"   // a duration or size is not a number
	refusedTooLong = "too_long" // the line is longer than maxLine
)

var refusals = []string{refusedFormat, refusedStatus, refusedNumber, refusedTooLong}

// methods are the values of the label method; the last one stands for all others.
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", other}

// methodIndex returns the index of a method in methods.
func methodIndex(method []byte) uint8 {
	for i, m := range methods[:len(methods)-1] {
		if string(method) == m {
			return uint8(i)
		}
	}
	return uint8(len(methods) - 1)
}

// knownStatus are the codes that are label values as they are: IANA's registry
// and nginx's own 444 and 494 to 499. Any other code is counted as its class,
// such as 5xx, which the pattern 5.. matches as well.
var knownStatus = []uint16{
	100, 101, 102, 103,
	200, 201, 202, 203, 204, 205, 206, 207, 208, 226,
	300, 301, 302, 303, 304, 305, 307, 308,
	400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429,
	431, 444, 451, 494, 495, 496, 497, 499,
	500, 501, 502, 503, 504, 505, 506, 507, 508, 511,
}

// classBase is added to a status class (0 to 9) in place of an unknown code.
const classBase = 1000

// statusLabels returns the label of each status number, by index: codes below
// classBase, classes above.
func statusLabels() []string {
	labels := make([]string, classBase+10)
	for class := range 10 {
		labels[classBase+class] = string([]byte{byte('0' + class), 'x', 'x'})
	}
	for _, code := range knownStatus {
		labels[code] = string([]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)})
	}
	return labels
}

// parseStatus returns the number of a status of three digits.
func parseStatus(b []byte) (uint16, bool) {
	if len(b) != 3 {
		return 0, false
	}
	n := uint16(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint16(c-'0')
	}
	return n, true
}

// absent reports nginx's ways to write a variable without value.
func absent(b []byte) bool { return len(b) == 0 || len(b) == 1 && b[0] == '-' }

// powers are what a number with as many decimals is divided by.
var powers = [...]float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// parseDecimal reads an unsigned decimal such as 12.345 of at most 18 digits.
func parseDecimal(b []byte) (float64, bool) {
	var n uint64
	decimals, digits, point := 0, 0, false
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n*10 + uint64(c-'0')
			digits++
			if point {
				decimals++
			}
		case c == '.' && !point:
			point = true
		default:
			return 0, false
		}
	}
	if digits == 0 || digits > 18 || decimals >= len(powers) {
		return 0, false
	}
	return float64(n) / powers[decimals], true
}

// parseTimes sums the durations of an upstream list: "0.010, 0.200 : 0.005"
// names each server tried and, behind colons, each internal redirect. found is
// false when no upstream was asked.
func parseTimes(b []byte) (seconds float64, found, ok bool) {
	for len(b) > 0 {
		end := 0
		for end < len(b) && b[end] != ',' && b[end] != ' ' && b[end] != ':' {
			end++
		}
		if value := b[:end]; !absent(value) {
			v, ok := parseDecimal(value)
			if !ok {
				return 0, false, false
			}
			seconds += v
			found = true
		}
		b = b[min(end+1, len(b)):]
	}
	return seconds, found, true
}

// splitRequest splits a request line into method and path.
func splitRequest(request []byte) (method, path []byte) {
	method, rest, found := cutByte(request, ' ')
	if !found {
		return nil, nil
	}
	return method, pathOf(rest)
}
