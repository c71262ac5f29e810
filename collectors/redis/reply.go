package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// command is a command with its arguments.
type command []any

// reply is the answer to one command.
type reply struct {
	command command
	value   any
	err     error
}

// call sends commands in one round trip and returns a reply to each. The error
// is that of the connection, not that of a command.
func call(ctx context.Context, client redis.Cmdable, commands []command) ([]reply, error) {
	pipe := client.Pipeline()
	cmds := make([]*redis.Cmd, len(commands))
	for i, c := range commands {
		cmds[i] = pipe.Do(ctx, c...)
	}
	_, err := pipe.Exec(ctx)
	replies, refused := make([]reply, len(cmds)), false
	for i, c := range cmds {
		replies[i].command = commands[i]
		replies[i].value, replies[i].err = c.Result()
		refused = refused || replies[i].err != nil
	}
	if refused && isReply(err) {
		err = nil // If no command was refused, it was the password.
	}
	return replies, err
}

// isReply reports whether err is an error reply of the server.
func isReply(err error) bool {
	if err == nil {
		return false
	}
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// text returns the reply as a string.
func (r reply) text() (string, error) {
	if r.err != nil {
		return "", r.err
	}
	s, ok := r.value.(string)
	if !ok {
		return "", fmt.Errorf("%w: %T for a string", errReply, r.value)
	}
	return s, nil
}

// list returns the reply as an array.
func (r reply) list() ([]any, error) {
	if r.err != nil {
		return nil, r.err
	}
	l, ok := r.value.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: %T for an array", errReply, r.value)
	}
	return l, nil
}

// fields iterates over names and values: a map in RESP3, a flat array in RESP2.
func fields(v any) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		switch v := v.(type) {
		case map[any]any:
			for key, value := range v {
				if !yield(toText(key), value) {
					return
				}
			}
		case []any:
			for i := 0; i+1 < len(v); i += 2 {
				if !yield(toText(v[i]), v[i+1]) {
					return
				}
			}
		}
	}
}

// toText returns a scalar as text.
func toText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// toNumber returns a scalar as a number.
func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		return number(v)
	}
	return 0, false
}

// number parses a value of INFO: a number, or a word for yes or no.
func number(s string) (float64, bool) {
	switch s {
	case "ok", "up", "yes", "true":
		return 1, true
	case "err", "fail", "down", "no", "false":
		return 0, true
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	return v, err == nil
}

// errReply is the error of a reply of another shape than the command has.
var errReply = &collect.Error{Reason: collect.Protocol, Err: errors.New("unexpected type of reply")}
