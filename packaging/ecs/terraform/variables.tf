variable "name" {
  description = "Prefix of everything that is made."
  type        = string
  default     = "updog-ecs"
}

variable "cluster_name" {
  description = "Name of the cluster (not its ARN)."
  type        = string
  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.cluster_name))
    error_message = "This is the name of a cluster, not its ARN."
  }
}

variable "updater_image" {
  description = "Image with updog-ecs; packaging/ecs/Containerfile makes it."
  type        = string
}

variable "launch_type" {
  description = "FARGATE or EC2. EC2 runs the updater on the cluster's own instances; it does not update the one it runs on."
  type        = string
  default     = "FARGATE"
  validation {
    condition     = contains(["FARGATE", "EC2"], var.launch_type)
    error_message = "FARGATE or EC2."
  }
}

variable "subnets" {
  description = "Where the updater runs; from there it must reach ECS, EC2, SSM and the registry of its image."
  type        = list(string)
}

variable "security_groups" {
  description = "Security groups of the updater; it needs no way in. Empty for the default one of the VPC."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "False where the subnets have a NAT gateway or VPC endpoints; always so with EC2."
  type        = bool
  default     = true
}

variable "mode" {
  description = "schedule runs a task now and then; service keeps one running, which picks up after a crash at once."
  type        = string
  default     = "schedule"
  validation {
    condition     = contains(["schedule", "service"], var.mode)
    error_message = "schedule or service."
  }
}

variable "schedule" {
  description = "When the task runs, with mode schedule."
  type        = string
  default     = "rate(12 hours)"
}

variable "enabled" {
  description = "False stops updates; a run that is under way ends by itself (mode schedule) or gives back what it has (mode service)."
  type        = bool
  default     = true
}

variable "pause" {
  description = "Between two rounds, with mode service."
  type        = string
  default     = "2 hours"
}

variable "budget" {
  description = "Most instances that are away at once, a number or percent."
  type        = string
  default     = "1"
  validation {
    condition     = can(regex("^[1-9][0-9]{0,5}%?$", var.budget))
    error_message = "A number from 1, or a part such as 10%."
  }
}

variable "max_failures" {
  description = "A version that failed on so many instances (a number or percent) is given to no other one."
  type        = string
  default     = "3"
  validation {
    condition     = can(regex("^[1-9][0-9]{0,5}%?$", var.max_failures))
    error_message = "A number from 1, or a part such as 10%."
  }
}

variable "tasks" {
  description = "What becomes of tasks that no service replaces: skip, wait or stop."
  type        = string
  default     = "skip"
  validation {
    condition     = contains(["skip", "wait", "stop"], var.tasks)
    error_message = "skip, wait or stop."
  }
}

variable "log_days" {
  description = "How long the log is kept."
  type        = number
  default     = 90
}

variable "tags" {
  description = "Tags of everything that has tags."
  type        = map(string)
  default     = {}
}
