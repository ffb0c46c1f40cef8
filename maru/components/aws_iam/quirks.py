"""Oddities of IAM and STS, each with its source.

The names of service-linked roles follow no rule. Source: each service's guide, "Using service-linked roles".
"""

from __future__ import annotations

LINKED_NAMES = {
    "autoscaling.amazonaws.com": "AutoScaling",
    "batch.amazonaws.com": "Batch",
    "cks.kms.amazonaws.com": "KeyManagementServiceCustomKeyStores",
    "custom-resource.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_CustomResource",
    "dynamodb.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_DynamoDBTable",
    "ecs.amazonaws.com": "ECS",
    "ecs.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_ECSService",
    "eks.amazonaws.com": "AmazonEKS",
    "eks-fargate.amazonaws.com": "AmazonEKSForFargate",
    "eks-nodegroup.amazonaws.com": "AmazonEKSNodegroup",
    "elasticache.amazonaws.com": "ElastiCache",
    "elasticbeanstalk.amazonaws.com": "ElasticBeanstalk",
    "elasticfilesystem.amazonaws.com": "AmazonElasticFileSystem",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "es.amazonaws.com": "AmazonElasticsearchService",
    "guardduty.amazonaws.com": "AmazonGuardDuty",
    "inspector.amazonaws.com": "AmazonInspector",
    "kafka.amazonaws.com": "Kafka",
    "lex.amazonaws.com": "LexBots",
    "mks.kms.amazonaws.com": "KeyManagementServiceMultiRegionKeys",
    "opensearchservice.amazonaws.com": "AmazonOpenSearchService",
    "ops.apigateway.amazonaws.com": "APIGateway",
    "organizations.amazonaws.com": "Organizations",
    "rds.amazonaws.com": "RDS",
    "rds.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_RDSCluster",
    "replicator.lambda.amazonaws.com": "LambdaReplicator",
    "spot.amazonaws.com": "EC2Spot",
    "spotfleet.amazonaws.com": "EC2SpotFleet",
    "sso.amazonaws.com": "SSO",
    "support.amazonaws.com": "Support",
    "transitgateway.amazonaws.com": "VPCTransitGateway",
    "trustedadvisor.amazonaws.com": "TrustedAdvisor",
}
