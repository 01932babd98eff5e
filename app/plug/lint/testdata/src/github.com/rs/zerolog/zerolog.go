package zerolog

type Logger struct{}
