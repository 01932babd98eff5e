package plugins

func start() {
	_ = 1 /* want `the exemption from goroutine gives no reason` */ //plug:allow goroutine
	_ = 1 /* want `there is no rule "sleeping"` */                  //plug:allow sleeping because
	_ = 1 //plug:allow blocking because
}
