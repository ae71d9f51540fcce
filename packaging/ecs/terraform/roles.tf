data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  region  = data.aws_region.this.id
  account = data.aws_caller_identity.this.account_id
  ecs     = "arn:${data.aws_partition.this.partition}:ecs:${local.region}:${local.account}"
  cluster = "${local.ecs}:cluster/${var.cluster_name}"
}

data "aws_iam_policy_document" "assumed" {
  for_each = toset(["ecs-tasks", "events"])
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

# Pulls the image and writes the log; the updater itself never has it.
resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-start-"
  assume_role_policy = data.aws_iam_policy_document.assumed["ecs-tasks"].json
  tags               = var.tags
}

data "aws_iam_policy_document" "execution" {
  statement {
    actions = [
      "ecr:GetAuthorizationToken",
      "ecr:BatchCheckLayerAvailability",
      "ecr:GetDownloadUrlForLayer",
      "ecr:BatchGetImage",
    ]
    resources = ["*"]
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "start"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

resource "aws_iam_role" "task" {
  name_prefix        = "${var.name}-update-"
  assume_role_policy = data.aws_iam_policy_document.assumed["ecs-tasks"].json
  tags               = var.tags
}

data "aws_iam_policy_document" "task" {
  statement {
    sid       = "List"
    actions   = ["ecs:ListContainerInstances"]
    resources = [local.cluster]
  }
  statement {
    sid = "Instances"
    actions = [
      "ecs:DescribeContainerInstances",
      "ecs:UpdateContainerInstancesState",
      "ecs:PutAttributes",
      "ecs:DeleteAttributes",
    ]
    resources = ["${local.ecs}:container-instance/${var.cluster_name}/*"]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster]
    }
  }
  # ListTasks is asked by instance and by family; with a family it has no resource to name.
  statement {
    sid       = "ListTasks"
    actions   = ["ecs:ListTasks"]
    resources = ["*"]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster]
    }
  }
  statement {
    sid       = "Tasks"
    actions   = var.tasks == "stop" ? ["ecs:DescribeTasks", "ecs:StopTask"] : ["ecs:DescribeTasks"]
    resources = ["${local.ecs}:task/${var.cluster_name}/*"]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster]
    }
  }
  statement {
    sid     = "SendOurDocuments"
    actions = ["ssm:SendCommand"]
    resources = concat(
      [for document in aws_ssm_document.command : document.arn],
      ["arn:${data.aws_partition.this.partition}:ec2:${local.region}:${local.account}:instance/*"],
    )
  }
  # These two know neither resources nor conditions.
  statement {
    sid       = "SeeOutcome"
    actions   = ["ssm:GetCommandInvocation", "ec2:DescribeInstanceStatus"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "task" {
  name   = "update"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

resource "aws_iam_role" "schedule" {
  count              = local.scheduled ? 1 : 0
  name_prefix        = "${var.name}-run-"
  assume_role_policy = data.aws_iam_policy_document.assumed["events"].json
  tags               = var.tags
}

data "aws_iam_policy_document" "schedule" {
  statement {
    actions   = ["ecs:RunTask"]
    resources = [aws_ecs_task_definition.this.arn]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster]
    }
  }
  statement {
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "schedule" {
  count  = local.scheduled ? 1 : 0
  name   = "run"
  role   = aws_iam_role.schedule[0].id
  policy = data.aws_iam_policy_document.schedule.json
}
