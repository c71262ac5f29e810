package redis

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// dialTimer is a hook that keeps the duration of the last dial, and makes connections
// tell why they were refused.
type dialTimer struct{ last atomic.Int64 }

// DialHook implements redis.Hook.
func (d *dialTimer) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		start := time.Now()
		conn, err := next(ctx, network, addr)
		d.last.Store(int64(time.Since(start)))
		if err != nil {
			return nil, err
		}
		return newRefusable(conn), nil
	}
}

// ProcessHook implements redis.Hook.
func (d *dialTimer) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (d *dialTimer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
