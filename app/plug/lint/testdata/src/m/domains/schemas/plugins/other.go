package plugins

type SharedRequest struct{}

type SharedEvent struct{}

func (SharedEvent) Topic() string { return "shared.event" }
