package wrapper

import "github.com/redis/go-redis/v9"

var Client redis.Client
